// Room: kernels. Highway's query of a target's vector width, which its choice of an SVE target asks.
#include "hwy/per_target.cc"  // NOLINT
