"""From predictions to scores: the measures, the scores of runs, finished runs that are kept, the noise of labels."""
