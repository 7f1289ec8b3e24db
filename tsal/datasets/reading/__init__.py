"""What several data sets are read with: file formats, checks of options, what raw data is known by."""
