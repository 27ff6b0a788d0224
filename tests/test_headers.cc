// The precompiled header of all test programs belongs to this source.
