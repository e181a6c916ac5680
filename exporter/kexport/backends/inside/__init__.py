"""What runs inside of environments, on Pythons from 2.7 on, and imports nothing of kexport."""
