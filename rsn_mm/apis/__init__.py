"""What people run: MMPose's tools, the demo."""
