"""What a face is: its table, landmarks, labels, splits, crops and augmentation; where pictures come from."""
