r"""
Your own data
=============

A folder of picture files is enough. It has one sub-folder per class, whose name is the label. This
tutorial makes such a folder, reads it, shows the images, trains on them, predicts the label of a
new picture file, saves the model and loads it again. Then it reads the same data from arrays, and
shows the messages that the package gives if data are wrong.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw

import simplenn_py as nn
from simplenn_py.datasets import read_images
from simplenn_py.errors import UserError
from simplenn_py.layout import to_nhwc
from simplenn_py.plots import show
from simplenn_py.runtime import reduced

SMALL = reduced()
rng = np.random.default_rng(0)
temporary = tempfile.TemporaryDirectory()
root = Path(temporary.name) / "shapes"

# %%
# A folder of picture files
# -------------------------
# Your own images would come from a camera. Here we draw circles, squares and triangles of random
# colour, size and position, with 24 x 24 pixels, and save them as PNG files in
# ``shapes/train/CLASS/`` and ``shapes/test/CLASS/``. (If the files were in ``shapes/CLASS/``,
# without the folders ``train`` and ``test``, there would be no test set.)


def draw(kind, size=24):
    """Draw one shape, with a random position and colour, on a random background."""
    dark, light = rng.integers(0, 100, 3), rng.integers(150, 256, 3)
    ground, ink = (dark, light) if rng.random() < 0.5 else (light, dark)
    picture = Image.new("RGB", (size, size), tuple(ground.tolist()))
    r = size * rng.uniform(0.2, 0.35)
    x, y = rng.uniform(r, size - r, 2)
    pen, fill = ImageDraw.Draw(picture), tuple(ink.tolist())
    if kind == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif kind == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=fill)
    else:
        pen.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], fill=fill)
    return picture


kinds = ("circle", "square", "triangle")
for part, count in (("train", 60 if SMALL else 200), ("test", 40 if SMALL else 100)):
    for kind in kinds:
        folder = root / part / kind
        folder.mkdir(parents=True)
        for number in range(count):
            draw(kind).save(folder / f"{number:03d}.png")

# %%
# Read the images and look at them
# --------------------------------
# ``load_dataset`` takes the path of the folder. The labels are the names of the sub-folders. ``Z``
# has the lecture's storage order (1), with one row per channel, and holds the bytes of the files.
# Nothing is scaled yet: training does that and keeps the scaling in the model.

data = nn.load_dataset(root)
print(f"{data.name}: {data.train.l} training and {data.test.l} test images,",
      f"{data.train.a} x {data.train.b} x {data.train.d}")  # fmt: skip
print("labels:", *np.unique(data.train.y))
print(f"Z has shape {data.train.Z.shape} and dtype {data.train.Z.dtype}")
assert data.train.Z.shape == (3, 24 * 24 * data.train.l)

images = to_nhwc(data.train.Z, data.train.a, data.train.b)
figure, panels = plt.subplots(3, 10, figsize=(9, 3), layout="constrained")
for row, kind in zip(panels, kinds, strict=True):
    chosen = np.flatnonzero(data.train.y == kind)[:10]
    for axes, i in zip(row, chosen, strict=True):
        axes.imshow(images[i])
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(kind)
show()

# %%
# Always look at the images first. You see wrong labels, rotated images and empty images at a
# glance, but training does not find them for you.
#
# Train
# -----
# A preset takes the size of the images and the number of classes from the data. A tenth of the
# training images is held out as a validation set, to choose the best epoch. The test set is used
# once, at the end.

options = nn.TrainOptions(
    epochs=12 if SMALL else 20, batch_size=16, lr=0.05, schedule="one-cycle", validation=0.1
)
model, history = nn.train(data, "digits", options, progress=False)
accuracy = history.report["test_accuracy"]
print(f"best epoch {history.report['best_epoch']}, test accuracy {100 * accuracy:.1f} %")
assert accuracy > (0.6 if SMALL else 0.9)

# %%
# Predict the label of a picture file
# -----------------------------------
# A new picture file may have any size: ``read_images`` reads it in the same way as the folder, and
# resizes the image. On the command line this is ``simplenn predict model.npz photo.png``.

photo = Path(temporary.name) / "photo.png"
draw("triangle", size=120).save(photo)
Z = read_images([photo], *model.config.image_shape)
z = model.decision_values(Z)[:, 0]
p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
for label, probability in zip(model.classes, p, strict=True):
    print(f"{label:9s} {100 * probability:5.1f} %")
print("prediction:", model.predict(Z)[0])

figure, (left, right) = plt.subplots(1, 2, figsize=(6, 2.8), layout="constrained")
left.imshow(plt.imread(photo))
left.set_title("photo.png, 120 x 120", fontsize=10)
right.imshow(to_nhwc(Z, 24, 24)[0])
right.set_title(f"resized, prediction: {model.predict(Z)[0]}", fontsize=10)
for axes in (left, right):
    axes.set_axis_off()
show()

# %%
# Save and load
# -------------
# The file holds the network, the weights, the labels and the scaling. It contains no executable
# code. ``nn.train(..., out=FOLDER)`` also writes it to a run folder, with the history and figures.

path = Path(temporary.name) / "shapes.npz"
model.save(path)
again = nn.Model.load(path)
assert np.array_equal(again.theta, model.theta)
assert np.array_equal(again.predict(data.test.Z), model.predict(data.test.Z))
print(f"saved and loaded again: {model.theta.size:,} parameters, {path.stat().st_size:,} bytes")

# %%
# Arrays
# ------
# Data that are already arrays need no picture files. Save them in an ``.npz`` file: ``X`` with
# shape (images, height, width, channels), or (images, height, width) for grey images, and ``y``
# with one label per image. If there is a test set, add ``X_test`` and ``y_test``; if there is a
# validation set, ``X_val`` and ``y_val``. Any real dtype works.

file = Path(temporary.name) / "arrays.npz"
np.savez(file, X=images, y=data.train.y)
from_arrays = nn.load_dataset(file)
print("from arrays: Z has shape", from_arrays.train.Z.shape, "- test set:", from_arrays.test)
assert np.array_equal(from_arrays.train.Z, data.train.Z)
assert np.array_equal(from_arrays.train.y, data.train.y)

# %%
# If you use scikit-learn, ``nn.CNNClassifier`` is an estimator with ``fit`` and ``predict`` for
# pipelines and parameter searches. ``nn.CNNClassifier().fit(X, y)`` takes the same arrays of
# images, or a table with one image per row.
#
# When data are wrong
# -------------------
# Mistakes in data are common. Each message says where the mistake is, what was found, what is
# allowed, and what to do. We make a few mistakes on purpose.


def attempt(what, call):
    """Print the error that `call` is expected to raise."""
    try:
        call()
    except UserError as error:
        print(f"{what}:\n    {str(error).replace(temporary.name, '...')}")
        return
    raise AssertionError(f"no error: {what}")


bad = Path(temporary.name) / "bad"
for kind in kinds:
    (bad / kind).mkdir(parents=True)
    draw(kind).save(bad / kind / "0.png")
(bad / "star").mkdir()
attempt("a class without picture files", lambda: nn.load_dataset(bad))

(bad / "star" / "0.png").write_text("this is text, not an image")
attempt("a file that is not an image", lambda: nn.load_dataset(bad))

draw("square", size=30).save(bad / "star" / "0.png")
attempt("images of different sizes", lambda: nn.load_dataset(bad))
resized = nn.load_dataset(bad, shape=(24, 24, 3))  # the remedy
assert resized.train.Z.shape == (3, 24 * 24 * 4)

np.savez(file, X=images, y=data.train.y[:-1])
attempt("a missing label", lambda: nn.load_dataset(file))

spoilt = images.astype(np.float32)
spoilt[3, 5, 7, 0] = np.nan
np.savez(file, X=spoilt, y=data.train.y)
attempt("a pixel that is not a number", lambda: nn.load_dataset(file))

attempt("a misspelt name", lambda: nn.load_dataset("digit"))
attempt("images of the wrong size for the network", lambda: model.predict(images[:, :20, :20]))
attempt("a network too deep for small images", lambda: nn.NetConfig.preset("vgg11", 24, 24, 3, 3))
attempt("two invalid options", lambda: nn.TrainOptions(epochs=0, schedule="one-cicle"))
temporary.cleanup()

# %%
# What to take away
# -----------------
# To use your own data you need picture files in folders, or arrays in an ``.npz`` file, and a few
# lines of code. Look at the images before you train, keep a validation set, and read the messages:
# they say what to do.
#
# Try it yourself
# ---------------
# 1. Add a fourth shape to ``draw`` and train again. Which shapes are confused?
# 2. Make the test shapes smaller than the training shapes. What happens to the accuracy?
# 3. Photograph ten cups and ten spoons with your phone, and pass the folder to
#    ``simplenn train FOLDER --image-shape 32x32x3``.
