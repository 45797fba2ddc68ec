"""A small COCO-format data set of drawn, articulated, clothed people, for demonstrations and tests."""
from rsn_mm.synthetic.dataset import PeopleDataset, draw_picture, make_people
from rsn_mm.synthetic.walk import VideoFrame, draw_walk

__all__ = ['PeopleDataset', 'VideoFrame', 'draw_picture', 'draw_walk', 'make_people']
