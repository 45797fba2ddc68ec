"""Test a pose model: MMPose's own test script on an importable stack. ``--help`` lists its options."""
import rsn_mm  # noqa: F401  closes the gaps of the stack before MMPose is imported
from rsn_mm.apis.mmpose_tools import run_mmpose_tool

if __name__ == '__main__':
    run_mmpose_tool('test')
