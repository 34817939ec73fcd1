"""Parts of the detector `volumetric`: from counted volumes to attacks, each a pure function."""
