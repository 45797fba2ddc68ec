"""What MMPose uses of xtcocotools, as thin subclasses of pycocotools.

``coco``        COCO: annotation files and result files
``cocoeval``    COCOeval: average precision and recall, for boxes, masks and every key point layout of MMPose
``mask``        run-length encoded masks
``iou_types``   the key point layouts: which entries of an annotation make up one pose, and which score ranks it
``oks``         object keypoint similarity
``summary``     the table of statistics that an evaluation ends with
"""
