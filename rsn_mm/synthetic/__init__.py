"""A small COCO-format data set of drawn, articulated, clothed people, for demonstrations and tests."""
from rsn_mm.synthetic.dataset import PeopleDataset, draw_picture, make_people

__all__ = ['PeopleDataset', 'draw_picture', 'make_people']
