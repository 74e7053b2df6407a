using Xunit.Sdk;
using Xunit.v3;

// One module in one process: a test that initialises it anew would end the others' sessions.
[assembly: Parallelization(Mode = ParallelMode.None)]
