using Xunit.Sdk;
using Xunit.v3;

// Whole programs with deadlines on few cores; most of their time they wait for each other, so a few classes at once.
[assembly: Parallelization(Mode = ParallelMode.Collections, MaxThreads = 3)]
