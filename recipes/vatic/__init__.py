"""The parts of the VATIC format."""
