"""The kinds of faults of a data set, and what each of its readers does about them."""
from typing import Dict, Hashable, NamedTuple, Optional, Tuple

# A joint as far outside the photo as this fraction of its longer side is no person that leaves the picture.
FAR_OUTSIDE = 0.5
# What rounding puts outside, in px.
ROUNDING = 1.0

# What our data sets and metrics do with an entry of which it is true.
KEPT, LEFT_OUT, STOPS = 'kept', 'left out', 'stops'


class Kind(NamedTuple):
    """``level``: 'error' or 'warning'. ``in_training``: KEPT, LEFT_OUT or STOPS. ``meaning``: for people."""
    level: str
    in_training: str
    meaning: str


KINDS: Dict[str, Kind] = {
    'file': Kind('error', STOPS, 'no JSON, or not in the format of a data set'),
    'entry': Kind('error', STOPS, 'an entry that is no object, or an id that is no integer of 64 bits'),
    'category': Kind('error', STOPS, 'categories that are no list of objects with an id of their own'),
    'nobody': Kind('error', STOPS, 'a file without a person to train or to score on'),
    'photo entry': Kind('error', LEFT_OUT, 'a photo without name or size, or with a size that is no positive whole number'),
    'photo name': Kind('error', LEFT_OUT, 'a file name that no file can have'),
    'photo id twice': Kind('error', LEFT_OUT, 'several photos with one id that differ in name or size; with their persons'),
    'photo listed twice': Kind('warning', KEPT, 'a photo that is listed several times'),
    'photo missing': Kind('error', LEFT_OUT, 'no such file'),
    'photo unreadable': Kind('error', LEFT_OUT, 'a file that OpenCV cannot decode'),
    'photo cut short': Kind('error', LEFT_OUT, 'a JPEG file whose end is missing'),
    'photo size': Kind('error', KEPT, 'a photo of another size than the annotations say'),
    'photo turned': Kind('warning', KEPT, 'EXIF data turn or mirror the photo when it is read; labels must be made on that'),
    'id twice': Kind('error', LEFT_OUT, 'several annotations with one id; the last one is kept'),
    'unknown photo': Kind('error', LEFT_OUT, 'an annotation of a photo that the file does not list'),
    'unknown category': Kind('error', LEFT_OUT, 'an annotation of a category that the file does not list'),
    'box malformed': Kind('error', LEFT_OUT, 'a box that is not four finite numbers, or millions of px large'),
    'box negative': Kind('error', LEFT_OUT, 'a box of negative width or height'),
    'box empty': Kind('error', LEFT_OUT, 'a box of no area'),
    'box outside': Kind('error', LEFT_OUT, 'a box of which nothing, or less than a pixel, is in the photo'),
    'box partly outside': Kind('warning', KEPT, f'a box more than {ROUNDING:.0f} px over the edge; it is clipped'),
    'joints malformed': Kind('error', LEFT_OUT, 'joints that are not (x, y, flag) as often as the data set has joints'),
    'joints not finite': Kind('error', LEFT_OUT, 'a joint at NaN or infinity'),
    'joint flag': Kind('warning', KEPT, 'a visibility other than 0, 1 and 2; below 1 is not labelled, above 2 is visible'),
    'joint far outside': Kind('warning', KEPT, 'a labelled joint far outside the photo; it counts as not labelled'),
    'joint count': Kind('warning', KEPT, 'num_keypoints is not the number of labelled joints; these are counted instead'),
    'joint names': Kind('warning', KEPT, 'joints that the category and the data set name or order differently'),
    'joint without labels': Kind('warning', KEPT, 'a joint that nobody is labelled with; it cannot be learned'),
    'area malformed': Kind('error', LEFT_OUT, 'an area that is no number from 0 to 1e10'),
    'area missing': Kind('warning', KEPT, 'annotations without area; scores take 0.53 of the box'),
    'area zero': Kind('warning', KEPT, 'an area of 0; only exact hits score'),
    'crowd flag': Kind('error', LEFT_OUT, 'an iscrowd other than 0 and 1'),
    'segmentation': Kind('warning', KEPT, 'a segmentation that is neither polygons nor run lengths; it is dropped'),
    'crowd index': Kind('error', STOPS, "photos without the number crowdIndex, which iou_type='keypoints_crowd' needs"),
    'no pose': Kind('warning', LEFT_OUT, 'an annotation without box or joints; not a training person'),
    'no joint': Kind('warning', LEFT_OUT, 'no joint is labelled; not a training person'),
    'detection': Kind('error', LEFT_OUT, 'a detected box of no area, or not of finite numbers'),
    'detection photo': Kind('error', LEFT_OUT, 'a detected box of a photo that the annotation file does not list'),
    'detection category': Kind('warning', KEPT, 'two files that number the category of people differently'),
    'detection none': Kind('error', STOPS, 'a file of detections of which none can be used'),
    'photo without boxes': Kind('warning', KEPT, 'photos with people but no detected box; these people count as missed'),
}

Found = Tuple[str, str]  # kind and detail


class Fault(NamedTuple):
    """Something wrong. Ids are those of the annotation file; None where it is not about one."""
    kind: str
    detail: str
    annotation_id: Optional[Hashable] = None
    image_id: Optional[Hashable] = None
    file_name: Optional[str] = None

    @property
    def level(self) -> str:
        return KINDS[self.kind].level

    @property
    def in_training(self) -> str:
        return KINDS[self.kind].in_training
