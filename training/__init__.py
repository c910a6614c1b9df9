"""The trainer's command; what it is made of lies in effectiveness/trainer/."""
