"""What TSAL is compared with, one file each: supervised, self_training, mean_teacher, sbr, stld.

All share its detector, warm-up, labelled batches, augmentation, optimiser, schedule, number of steps and number of
unlabelled frames a step.
"""
