r"""
MNIST to 99 %
=============

A network with three convolutional layers and one fully connected layer recognises 99 of 100
handwritten digits that it has never seen, after four epochs on 60,000 images. This tutorial trains
it and examines its training curves, its filters and its mistakes. If MNIST is not on this machine,
the small bundled digits take its place, and the output says so.
"""

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.datasets import where
from simplenn_py.layout import to_nhwc
from simplenn_py.plots import plot_curves, plot_filters, show
from simplenn_py.runtime import reduced

SMALL = reduced()

# %%
# The data
# --------
# ``where`` looks for MNIST in the folder that ``SIMPLENN_DATA_DIR`` names and in the cache
# folder, and downloads nothing. To get MNIST, run ``simplenn data fetch mnist`` once (12 MB), or
# call ``load_dataset("mnist")``, which downloads missing files.

name = "mnist" if where("mnist") else "digits"
if name == "digits":
    print("MNIST is not on this machine: the bundled 8x8 digits take its place.")
data = nn.load_dataset(name)
a, b = data.train.a, data.train.b
print(f"{name}: {data.train.l:,} training and {data.test.l:,} test images, {a} x {b} pixels")
print(f"Z has shape {data.train.Z.shape} and dtype {data.train.Z.dtype}, as in (1)")

# %%
# The network
# -----------
# For MNIST we use ``layer4``, the network of simpleNN's demo. The small digits have their own
# network. All sizes in the lecture's notation follow from the configuration.

preset = "layer4" if name == "mnist" else "digits"
config = nn.NetConfig.preset(preset, a, b, 1, 10)
for number, g in enumerate(config.conv_layers, start=1):
    print(f"layer {number}: input {g.a:2d} x {g.b:2d} x {g.d:2d},",
          f"{g.d_next} filters {g.h} x {g.h},",
          f"convolution {g.a_conv} x {g.b_conv}, pooled {g.a_next} x {g.b_next}")  # fmt: skip
for full in config.full_layers:
    print(f"fully connected: {full.n_in} -> {full.n_out}")
print(f"{config.n_parameters:,} parameters")

# %%
# Training
# --------
# ``default_options`` returns the default options of a data set. They were chosen with a validation
# set, taken from the training images. For MNIST they are SGD with momentum 0.9, batches of 128,
# five epochs (four here, to save time), and the one-cycle schedule of the learning rate. The
# learning rate rises to its peak in the first fifth of the run, so that the first steps from random
# weights are small. Then it falls to 0, so that the last steps average out the noise of the
# batches. (At its reduced size, ``SIMPLENN_SMALL=1``, this tutorial trains on fewer images.)

CHANGED = {
    ("mnist", False): {"epochs": 4},
    ("mnist", True): {"epochs": 2, "limit": 3000, "batch_size": 32},
    ("digits", False): {},
    ("digits", True): {"epochs": 10},
}[name, SMALL]
options = nn.default_options(name, **CHANGED)
print(f"{options.epochs} epochs, batch {options.batch_size}, lr {options.lr}, {options.schedule}")
model, history = nn.train(data, config, options, progress=False)
every = -(-options.epochs // 6)
for record in history.records[every - 1 :: every]:
    print(f"epoch {record['epoch']:2d}: loss {record['loss']:.4f},",
          f"training accuracy {100 * record['train_accuracy']:.2f} %,",
          f"{record['seconds']:.2f} s")  # fmt: skip

# %%
# The accuracy that counts is the accuracy on the test images. We look at it only once, after
# training.

accuracy = history.report["test_accuracy"]
print(f"test accuracy {100 * accuracy:.2f} %")
assert abs(accuracy - model.score(data.test.Z, data.test.y)) < 1e-3
assert accuracy > (0.9 if SMALL else 0.99 if name == "mnist" else 0.97)

figure, panels = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
plot_curves(history.records, data=name, test_accuracy=accuracy, axes=panels)
show()

# %%
# The training accuracy of an epoch is a mean over its batches, each measured before its update. In
# the first epochs, the network improves much within one epoch, so most batches are measured with a
# network that is worse than the one at the end of the epoch. That is why the training accuracy can
# be below the test accuracy.
#
# The filters
# -----------
# The figure shows the 32 filters of the first layer. Grey is zero. A filter responds most where the
# image looks like the filter. After training on all of MNIST, some filters are bright on one side
# and dark on the other: they detect the edges of strokes in one direction.

figure, axes = plt.subplots(figsize=(8, 5.2), layout="constrained")
plot_filters(model, data=name, axes=axes)
show()

# %%
# The hardest mistakes
# --------------------
# The softmax turns the network's outputs :math:`z^{L+1}` into probabilities. The hardest mistakes
# are those in which the true class has the smallest probability. We sort the misclassified images
# by this probability.

z = model.decision_values(data.test.Z)  # nL x l, one image per column
probabilities = np.exp(z - z.max(axis=0))
probabilities /= probabilities.sum(axis=0)
predicted = model.classes[probabilities.argmax(axis=0)]
wrong = np.flatnonzero(predicted != data.test.y)
of_truth = probabilities[np.searchsorted(model.classes, data.test.y), np.arange(data.test.l)]
hardest = wrong[np.argsort(of_truth[wrong])][:12]
print(f"{wrong.size} of {data.test.l:,} test images are misclassified")
assert abs(wrong.size / data.test.l - (1 - accuracy)) < 1e-3

images = to_nhwc(data.test.Z, a, b)[..., 0]
figure, panels = plt.subplots(2, 6, figsize=(9.6, 4), layout="constrained")
for axes in panels.flat:
    axes.set_axis_off()
for axes, i in zip(panels.flat, hardest, strict=False):
    axes.imshow(images[i], cmap="gray_r")
    axes.set_title(f"{data.test.y[i]}, read as {predicted[i]}\np = {of_truth[i]:.1e}", fontsize=9)
figure.suptitle("The hardest mistakes: true class, prediction, probability of the true class")
show()

# %%
# Judge for yourself: which of these digits would you have read as their writers meant them? And how
# often is the network right when it is sure, that is, when one class has a probability above 0.99?

sure = probabilities.max(axis=0) > 0.99
right = np.mean(predicted[sure] == data.test.y[sure])
print(f"sure of {100 * sure.mean():.1f} % of the images; {100 * right:.2f} % of these are correct")
assert right > accuracy

# %%
# What to take away
# -----------------
# A few lines train a network that classifies handwritten digits with few mistakes, and its
# probabilities show which results to doubt. The digits that it misclassifies are often ambiguous to
# people too. Look at the mistakes before you change the network.
#
# Try it yourself
# ---------------
# 1. Train for one epoch only. How close is the accuracy to the final one?
# 2. Set ``validation=0.1`` and choose the number of epochs by the validation accuracy. Why not by
#    the test accuracy?
# 3. Compare the times that ``solver="adam"`` and ``solver="newton"`` take to reach 98 %.
