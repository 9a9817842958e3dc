r"""
CIFAR-10: colour images, one cycle, and mirrored copies
=======================================================

CIFAR-10 has ten classes of animals and vehicles in colour photographs of 32 x 32 pixels. They are
much harder to classify than digits: a network fits the images that it has seen and fails on others.
This tutorial trains for a few epochs, shows the one-cycle schedule of the learning rate, and
measures the gain from mirroring images at random. If CIFAR-10 is not on this machine, the small
bundled digits take its place. For digits, mirroring does harm.
"""

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.datasets import where
from simplenn_py.layout import to_nhwc
from simplenn_py.opt import learning_rate
from simplenn_py.plots import confusion_counts, plot_confusion, show
from simplenn_py.runtime import reduced

SMALL = reduced()
BLUE, VERMILLION = "#0072B2", "#D55E00"

# %%
# The data
# --------
# To get CIFAR-10, run ``simplenn data fetch cifar10`` once (about 170 MB). This script downloads
# nothing.

name = "cifar10" if where("cifar10") else "digits"
if name == "digits":
    print("CIFAR-10 is not on this machine: the bundled 8x8 digits take its place.")
data = nn.load_dataset(name)
a, b, d = data.train.a, data.train.b, data.train.d
print(f"{name}: {data.train.l:,} training and {data.test.l:,} test images, {a} x {b} x {d}")
classes = np.unique(data.train.y)
print("classes:", *classes)

# %%
# With ``augment="flip"``, each time that an image is used in training, it is mirrored left to right
# with probability 1/2. The figure shows one image per class and, below it, the mirrored image. A
# mirrored truck is still a truck, so this doubles the data at no cost. (Most mirrored digits are
# not digits.)

images = to_nhwc(data.train.Z, a, b)
first = [np.flatnonzero(data.train.y == label)[0] for label in classes]
figure, panels = plt.subplots(2, 10, figsize=(10, 2.5), layout="constrained")
for column, i in enumerate(first):
    for row, image in enumerate((images[i], images[i][:, ::-1])):
        panels[row, column].imshow(image.squeeze(), cmap="gray_r")
        panels[row, column].set_axis_off()
    panels[0, column].set_title(classes[column], fontsize=9)
show()

# %%
# One cycle
# ---------
# The default options for CIFAR-10 are SGD with ``schedule="one-cycle"``: the learning rate rises to
# its peak in the first fifth of the updates and falls to 0 in the remaining updates. Large learning
# rates move the weights far, but they also follow the noise of the batches. The small ones at the
# end let the weights settle. The schedule depends on the length of the run, so a short run is not
# the beginning of a long one.
#
# With and without mirrored images
# --------------------------------
# Mirroring matters when there are few images. So we train twice on a small number of images, with
# and without mirroring, and compare. A tenth of the images is held out as a validation set. The
# seed is the same, so both runs start from the same weights and hold out the same images. The test
# set is not used for comparisons.

COMPARED = {
    ("cifar10", False): {"epochs": 8, "limit": 5000, "batch_size": 64},
    ("cifar10", True): {"epochs": 2, "limit": 1000, "batch_size": 32},
    ("digits", False): {"epochs": 30},
    ("digits", True): {"epochs": 8},
}[name, SMALL]
preset = "layer4" if name == "cifar10" else "digits"
histories = {}
without_test = nn.Dataset(data.name, data.train, None, data.source)
for augment in ("none", "flip"):
    options = nn.default_options(name, **COMPARED, augment=augment, validation=0.1)
    _, history = nn.train(without_test, preset, options, progress=False)
    histories[augment] = history
    last = history.records[-1]
    print(f"augment = {augment:4s}: {options.epochs} epochs,",
          f"training accuracy {100 * last['train_accuracy']:.1f} %,",
          f"validation {100 * last['validation_accuracy']:.1f} %")  # fmt: skip
gaps = {
    augment: history.records[-1]["train_accuracy"] - history.records[-1]["validation_accuracy"]
    for augment, history in histories.items()
}
print(f"training minus validation accuracy: {100 * gaps['none']:.1f} points without mirroring,",
      f"{100 * gaps['flip']:.1f} points with mirroring")  # fmt: skip
assert SMALL or name == "digits" or gaps["flip"] < gaps["none"]

# %%
# If the network trains on CIFAR-10 for long enough without mirroring, it memorises the training
# images: the training accuracy rises far above the validation accuracy. With mirroring, an image is
# not the same in every epoch. The training accuracy then grows more slowly and the gap is smaller.
# The effect on the validation accuracy is printed above. (On digits, the network must also learn to
# read mirrored digits, which nobody needs.) In the next figure, the right panel shows both runs.
# The left panel shows the learning rate of the run in the next section.

RUN = {
    ("cifar10", False): {"epochs": 2},
    ("cifar10", True): {"epochs": 2, "limit": 2500, "batch_size": 32},
    ("digits", False): {"schedule": "one-cycle", "decay": 0.0},
    ("digits", True): {"epochs": 10, "schedule": "one-cycle", "decay": 0.0},
}[name, SMALL]
options = nn.default_options(name, **RUN)
used = options.limit or data.train.l
total = options.epochs * -(-used // options.batch_size)
rates = [learning_rate(options.schedule, options.lr, options.decay, t, total) for t in range(total)]
assert max(rates) <= options.lr
assert np.argmax(rates) == total // 5 - 1

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
left.plot(rates, color=BLUE)
left.set(xlabel="update", ylabel="learning rate", title=f"One cycle of {total} updates")
for augment, colour, marker in (("none", VERMILLION, "s"), ("flip", BLUE, "o")):
    records = histories[augment].records
    for key, line in (("train_accuracy", ":"), ("validation_accuracy", "-")):
        right.plot([r["epoch"] for r in records], [100 * r[key] for r in records],
                   color=colour, linestyle=line, marker=marker, markersize=4,
                   label=f"{augment}, {key.split('_')[0]}")  # fmt: skip
right.set(xlabel="epoch", ylabel="accuracy (%)", title="With and without mirrored images")
right.legend(frameon=False)
for axes in (left, right):
    axes.grid(color="0.9")
show()

# %%
# All images
# ----------
# Now we train on all training images. For CIFAR-10, the options are the defaults of
# ``simplenn train cifar10``, but with fewer epochs. (At its reduced size, ``SIMPLENN_SMALL=1``,
# this tutorial uses fewer images.)

model, history = nn.train(data, preset, options, progress=False)
accuracy = history.report["test_accuracy"]
seconds = history.report["timings"]["train_seconds"]
print(f"{options.epochs} epochs of {used:,} images, augment = {options.augment}: {seconds:.1f} s")
print(f"test accuracy {100 * accuracy:.2f} %")
assert accuracy > {("cifar10", False): 0.6, ("cifar10", True): 0.25}.get((name, SMALL), 0.9)

# %%
# Which classes does the network confuse? Each row is a true class. Blue entries are correct, red
# entries are mistakes.

counts = confusion_counts(data.test.y, model.predict(data.test.Z), model.classes)
figure, axes = plt.subplots(figsize=(7.6, 6.4), layout="constrained")
plot_confusion(counts, classes, part=f"{name}, test images", axes=axes)
show()
mistakes = counts * (1 - np.eye(10, dtype=int))
for place in np.argsort(mistakes, axis=None)[:-4:-1]:
    true, guess = np.unravel_index(place, mistakes.shape)
    print(f"{classes[true]} taken for {classes[guess]}: {mistakes[true, guess]}")
assert counts.sum() == data.test.l

# %%
# What to take away
# -----------------
# With a learning rate that rises and falls once, short runs give good results. If the training
# accuracy rises far above the validation accuracy, more data help. A change that keeps an image's
# class, such as mirroring a photograph, gives more data at no cost. Whether a change keeps the
# class depends on the images.
#
# Try it yourself
# ---------------
# 1. Train with the 20 epochs of the default options. How much does the accuracy increase?
# 2. Compare ``schedule="decay"`` with ``schedule="one-cycle"`` for the same number of epochs.
# 3. Which other changes of a photograph keep its class? Which changes of a digit do?
