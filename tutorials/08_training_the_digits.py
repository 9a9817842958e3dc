r"""
Training the digits
===================

Stochastic gradient descent with momentum takes only a few lines once the gradient is available.
This tutorial writes these lines by hand and applies them to the 1,797 handwritten digits that come
with the package. It follows the loss from batch to batch, and compares the parameters with those of
the package's own solver. Then ``nn.train`` does the whole job, and we examine the learning curves
and the digits that the network still gets wrong.
"""

# %%
# The images
# ----------
# ``Images.Z`` has the lecture's storage order (1). Here it is a 1 x 64 l matrix, with one row for
# the only channel and one column per pixel. The values are those of the original data set: whole
# numbers from 0 to 16. We scale them to [0, 1] and subtract the mean image of the training set, as
# simpleNN's example does. (``nn.train`` does this by itself, and stores the scaling and the mean in
# the model.)

import matplotlib.pyplot as plt
import numpy as np

import simplenn_py as nn
from simplenn_py.layout import to_nhwc
from simplenn_py.plots import (
    BLUE,
    VERMILLION,
    confusion_counts,
    plot_confusion,
    plot_curves,
    show,
)
from simplenn_py.runtime import reduced

data = nn.load_dataset("digits")
train = data.train
l = train.l
mean = train.Z.reshape((64, l), order="F").mean(axis=1, keepdims=True) / 16


def scaled(images: nn.Images) -> nn.Images:
    Z = images.Z.reshape((64, -1), order="F") / 16 - mean  # one column per image
    return nn.Images(Z.reshape((1, -1), order="F"), images.y, images.a, images.b)


ready, unseen = scaled(train), scaled(data.test)
print(f"Z: {train.Z.shape}, {train.Z.dtype}; {l} training and {data.test.l} test images")
assert train.Z.shape == (1, 64 * l)

# %%
# The problem
# -----------
# We minimise :math:`f(\theta) = \theta'\theta/(2C) + \frac{1}{l} \sum_i \xi_i`, with the
# cross-entropy as the loss :math:`\xi`. ``nn.Problem`` takes this C itself. The option ``C`` of
# ``nn.train`` is multiplied by the number of training images, so the option ``C=c`` means :math:`C
# = c\,l`. We use ``c = 1.0`` both here and below. The network has two convolutional layers, each
# with 2 x 2 max pooling, and one fully connected layer.

config = nn.NetConfig.preset("digits", train.a, train.b, train.d)
problem = nn.Problem(
    images=ready.Z,
    y=ready.y,  # the digits are their own class indices here
    loss=nn.CrossEntropy(),
    C=1.0 * l,
    scale=1.0,
    offset=np.zeros(64),
)
batch_size, lr, momentum, seed = 32, 0.05, 0.9, 0
epochs = 2 if reduced() else 6
engine = nn.make_engine("lecture", config, batch_size, np.float64)


def new_model() -> nn.Model:
    rng = np.random.default_rng(seed)
    return nn.Model.initialise(config, np.arange(10), rng, np.float64, loss="cross-entropy")


print(f"{config.L} layers, {config.n_parameters} parameters")

# %%
# The loop
# --------
# In each epoch, a random permutation of the training images is cut into batches. For each batch,
# ``lossgrad_subset`` collects the images, runs the forward pass, and runs the backward pass
# (3)-(5). It returns the loss and writes the gradient, both summed over the batch. The update is
#
# .. math::
#    v \leftarrow \mu v - \eta \, \nabla f, \qquad \theta \leftarrow \theta + v,
#
# where :math:`\nabla f` is estimated by the mean gradient of the batch plus :math:`\theta / C`.
# Without momentum (:math:`\mu = 0`), an update uses only the gradient of the current batch. The
# permutations come from a random generator derived from the seed, the same one that the package's
# solver uses.


def train_by_hand(model: nn.Model, momentum: float) -> list[float]:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    theta, v, gradient = model.theta, np.zeros_like(model.theta), np.empty_like(model.theta)
    losses = []
    for _ in range(epochs):
        order = rng.permutation(l)
        for start in range(0, l, batch_size):
            batch = order[start : start + batch_size]
            loss = nn.lossgrad_subset(engine, model, problem, batch, gradient)
            losses.append(loss / batch.size)
            v *= momentum
            v -= lr * (gradient / batch.size + theta / problem.C)
            theta += v  # in place: the model's W and bias are views of it
    return losses


plain, model = new_model(), new_model()
losses = {"momentum 0": train_by_hand(plain, 0.0)}
losses[f"momentum {momentum}"] = train_by_hand(model, momentum)

# %%
# A network that gives each of the ten digits the same probability has a loss of :math:`\log 10 =
# 2.30`. In the figure, each point of a thin line is the mean loss of one batch before its update.
# Each point of a thick line is the mean over all images of an epoch. The thin lines are rough
# because a batch is a sample. For the same reason, its gradient is only an estimate.

updates = -(-l // batch_size)
sizes = np.minimum(batch_size, l - batch_size * np.arange(updates))  # of an epoch's batches
print(f"one epoch: {l} = {updates - 1} * {batch_size} + {sizes[-1]} images, {updates} updates")
assert sizes.sum() == l
assert sizes[-1] == 2
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for (label, values), colour, style in zip(
    losses.items(), (VERMILLION, BLUE), ("--", "-"), strict=True
):
    axes.plot(np.arange(1, len(values) + 1), values, color=colour, linewidth=0.6, alpha=0.7)
    means = np.average(np.reshape(values, (epochs, updates)), axis=1, weights=sizes)
    middles = updates * (np.arange(epochs) + 0.5)
    axes.plot(middles, means, style, color=colour, linewidth=2, marker="o", label=label)
    print(f"{label}: mean loss {means[0]:.3f} in epoch 1, {means[-1]:.3f} in epoch {epochs}")
    k = updates + int(np.argmax(values[updates:]))
    this, before = sizes[k % updates], sizes[k % updates - 1]
    print(f"    highest loss after epoch 1: {values[k]:.2f} at update {k + 1}",
          f"({this} images, after a batch of {before})")  # fmt: skip
    assert means[-1] < 0.5 * np.log(10)
axes.axhline(np.log(10), color="0.4", linestyle=":", linewidth=1, label="guessing: log 10")
axes.set_yscale("log")
axes.set(xlabel="update", ylabel="loss per image", title="SGD on the digits, written by hand")
axes.grid(alpha=0.3)
axes.legend(frameon=False)
show()

# %%
# The last batch of an epoch has only the 2 remaining images. Its loss may be very low or very high,
# but this means little. Its gradient has the same weight as any other, although it is an estimate
# from two images only. A step along this gradient can improve these two and make the others worse.
# In that case the next batch, the first of the next epoch, shows a peak. A high peak raises the
# mean of its epoch. A larger last batch or a decreasing learning rate would prevent such peaks.
#
# How accurate is the network on images that it has not seen?

by_hand = model.score(unseen.Z, unseen.y, "lecture")
print(f"test accuracy after {epochs} epochs: {100 * by_hand:.1f} %")
assert by_hand > (0.85 if reduced() else 0.95)

# %%
# The package's solver
# --------------------
# ``nn.train`` runs the same loop. It can also save the state of training, and show progress bars
# and curves. From the same initial weights and with the same permutations, it arrives at the same
# parameters, up to rounding.

options = nn.TrainOptions(
    epochs=epochs, batch_size=batch_size, lr=lr, momentum=momentum, C=1.0, seed=seed,
    engine="lecture", dtype="float64",
)  # fmt: skip
same_images = nn.Dataset("scaled digits", ready, None, data.source)
again, _ = nn.train(same_images, options=options, start=new_model(), progress=False)
apart = np.linalg.norm(again.theta - model.theta) / np.linalg.norm(model.theta)
print(f"{epochs * updates} updates; relative difference in the parameters {apart:.1e}")
assert apart < 1e-10

# %%
# The whole job with one call
# ---------------------------
# ``nn.train`` normalises the images, initialises the weights at random, trains and tests. Here ten
# percent of the training images are held out as a validation set, and the weights of the epoch with
# the best result on this set are kept. The learning rate falls as :math:`\eta_t = \eta / (1 +
# \mathrm{decay} \cdot t)`, where :math:`t` counts the updates. By default, ``nn.train`` computes in
# single precision with the direct engine. Here we choose the lecture engine, as above.

options = nn.default_options(
    "digits", engine="lecture", validation=0.1, epochs=4 if reduced() else 30
)
trained, history = nn.train(data, options=options, progress=False)
accuracy = history.report["test_accuracy"]
print(f"{options.epochs} epochs in {history.report['timings']['train_seconds']:.1f} s")
print(f"test accuracy {100 * accuracy:.2f} % with the weights of epoch "
      f"{history.report['best_epoch']}")  # fmt: skip
assert accuracy > (0.9 if reduced() else 0.97)

figure, pair = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
plot_curves(history.records, data="the digits", test_accuracy=accuracy, axes=pair)
show()

# %%
# In the last epoch, the training loss is below the validation loss: in part, the network has
# memorised its training images instead of learning what digits look like.

last = history.records[-1]
print(f"last epoch: training loss {last['loss']:.4f},",
      f"validation loss {last['validation_loss']:.4f}")  # fmt: skip
assert last["loss"] < last["validation_loss"]

# %%
# What it gets wrong
# ------------------
# Each row of the confusion matrix is a true digit, each column a predicted digit. Beside it are the
# first mistakes. At 8 x 8 pixels, some of them are hard for a person too.

predicted = trained.predict(data.test.Z, options.engine)
counts = confusion_counts(data.test.y, predicted, trained.classes)
assert abs(np.trace(counts) / counts.sum() - accuracy) < 1e-12
wrong = np.flatnonzero(predicted != data.test.y)
pictures = to_nhwc(data.test.Z, 8, 8)[..., 0]

figure = plt.figure(figsize=(12, 5.4), layout="constrained")
matrix, gallery = figure.subfigures(1, 2, width_ratios=(1.35, 1))
plot_confusion(counts, trained.classes, part="test images", axes=matrix.subplots())
panels = gallery.subplots(2, 3).ravel()
for panel in panels:
    panel.axis("off")
for panel, k in zip(panels, wrong, strict=False):
    panel.imshow(pictures[k], cmap="gray_r", vmin=0, vmax=16)
    panel.set_title(f"{data.test.y[k]} taken for {predicted[k]}", fontsize=10)
show()
print(f"{wrong.size} of {data.test.l} test images are classified wrongly")

# %%
# What to take away
# -----------------
# A solver needs only one routine from the network: the loss and its gradient on a batch.
# Mini-batches make the gradient cheap and noisy, and momentum averages the noise over updates. The
# accuracy of a network must be measured on images that were not used to choose anything.
#
# Try it yourself
# ---------------
# 1. Multiply ``lr`` by 10 in the loop that we wrote by hand. What does the loss do in the first ten
#    updates?
# 2. Use batches of 256 images, and then of 4. How many epochs, and how much time, does it take to
#    reach a test accuracy of 95 %?
# 3. Use ``C = 0.01 * l``, which makes the regularisation stronger. What happens to the training
#    loss and to the validation loss?
