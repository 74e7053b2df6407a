using Xunit.Sdk;
using Xunit.v3;

// The tests share one DNS, whose zones some of them change.
[assembly: Parallelization(Mode = ParallelMode.None)]
