using Xunit.Sdk;
using Xunit.v3;

// Whole programs on few cores, with deadlines: one test at a time.
[assembly: Parallelization(Mode = ParallelMode.None)]
