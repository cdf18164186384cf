"""Stands in for M2Det's compiled suppression: the stand-in's net finds nothing twice."""


def nms(dets, thresh, force_cpu=False):
    return list(range(len(dets)))
