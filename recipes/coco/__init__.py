"""What COCO's reader is made of: the layout of folders, the JSON document, the search for images."""
