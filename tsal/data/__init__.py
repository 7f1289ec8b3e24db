"""What a face is: its table, landmarks, labels, splits, packed crops, augmentation, and where pictures and archives come from."""
