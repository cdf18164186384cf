"""What VIA's reader and writer are made of: documents, the attribute that says the class, shapes, projects."""
