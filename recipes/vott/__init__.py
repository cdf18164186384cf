"""What the readers and writers of VoTT's formats share: projects and exports, assets, the files an export consists of."""
