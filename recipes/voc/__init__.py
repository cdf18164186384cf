"""Pascal VOC: its documents, its layout, its writer."""
