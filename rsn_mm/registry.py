"""Registries of scope ``rsn_mm``, each the child of MMPose's registry of the same name.

With ``default_scope='rsn_mm'`` a name is looked for here, then in MMPose, then in MMEngine, so stock types need no prefix.
In a config of another scope, ``rsn_mm.`` in front of a type is enough. MMEngine imports this module by itself when it
meets the scope, but never the parents' locations: so each child lists MMPose's locations too.

Registries that hold nothing of ours exist all the same: without a child of this scope MMEngine would look in its own
root registry, and not find MMPose's datasets, metrics and visualizers.
"""
from mmengine.registry import Registry
from mmpose import registry as mmpose_registry


def _child(name: str, *locations: str) -> Registry:
    parent = getattr(mmpose_registry, name)
    return Registry(parent.name, parent=parent, scope='rsn_mm', locations=[*parent._locations, *locations])


MODELS = _child('MODELS', 'rsn_mm.models', 'rsn_mm.engine')
KEYPOINT_CODECS = _child('KEYPOINT_CODECS', 'rsn_mm.codecs')
TRANSFORMS = _child('TRANSFORMS', 'rsn_mm.transforms')
DATASETS = _child('DATASETS', 'rsn_mm.datasets')

RUNNERS = _child('RUNNERS')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS')
LOOPS = _child('LOOPS', 'rsn_mm.engine')
HOOKS = _child('HOOKS', 'rsn_mm.engine')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'rsn_mm.datasets')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS')
BATCH_AUGMENTS = _child('BATCH_AUGMENTS')
OPTIMIZERS = _child('OPTIMIZERS')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'rsn_mm.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'rsn_mm.engine')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS')
METRICS = _child('METRICS', 'rsn_mm.evaluation')
EVALUATORS = _child('EVALUATORS')
TASK_UTILS = _child('TASK_UTILS')
VISUALIZERS = _child('VISUALIZERS')
VISBACKENDS = _child('VISBACKENDS')
LOG_PROCESSORS = _child('LOG_PROCESSORS')
INFERENCERS = _child('INFERENCERS')
