// The kernel that the contract's cases run on when they are linked with the simulation: one that does nothing
// wrong.
#include "sim_kernel.hpp"

static sim::SimKernel the_kernel(1);
