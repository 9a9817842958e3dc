r"""
Your own data
=============

A folder of pictures is enough: one sub-folder a class, its name the label. This tutorial draws
such a folder, reads it, looks at it, trains on it, labels a picture that it has never seen, saves
the model and reads it back; then it does the same from arrays, and shows what the
package says of data that are wrong.
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
# A folder of pictures
# --------------------
# Your own pictures would come from a camera. Here we draw circles, squares and triangles of any
# colour, size and place, 24 x 24 pixels, as PNG files in ``shapes/train/CLASS/`` and
# ``shapes/test/CLASS/``. (Without the folders ``train`` and ``test``, as ``shapes/CLASS/``, there
# is a training part only.)


def draw(kind, size=24):
    """Draw one shape, in a random place and colour, on a random background."""
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
# Read it, look at it
# -------------------
# ``load_dataset`` takes the path. The labels are the names of the folders; ``Z`` is the lecture's
# storage (1), a row a channel, with the bytes of the files: nothing is scaled yet, training does
# that and keeps the scaling in the model.

data = nn.load_dataset(root)
print(f"{data.name}: {data.train.l} training and {data.test.l} test images,",
      f"{data.train.a} x {data.train.b} x {data.train.d}")  # fmt: skip
print("labels", *np.unique(data.train.y), "- Z", data.train.Z.shape, data.train.Z.dtype)
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
# Look first, always: wrong labels, turned pictures and empty ones are seen at a glance, and no
# training finds them for you.
#
# Train
# -----
# A preset takes the size of the images and the number of classes from the data. A tenth of the
# training images is held out, to choose the best epoch by. Then the test images, once.

options = nn.TrainOptions(
    epochs=12 if SMALL else 20, batch_size=16, lr=0.05, schedule="one-cycle", validation=0.1
)
model, history = nn.train(data, "digits", options, progress=False)
accuracy = history.report["test_accuracy"]
print(f"best epoch {history.report['best_epoch']}, test accuracy {100 * accuracy:.1f} %")
assert accuracy > (0.6 if SMALL else 0.9)

# %%
# Label a picture
# ---------------
# A new picture may have any size: ``read_images`` reads it by the rules of the folder, and resizes
# it. The command is ``simplenn predict model.npz photo.png``.

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
right.set_title(f"as the network gets it: {model.predict(Z)[0]}", fontsize=10)
for axes in (left, right):
    axes.set_axis_off()
show()

# %%
# Save and load
# -------------
# The file holds the network, the weights, the labels and the scaling, and nothing that is
# ever executed. ``nn.train(..., out=FOLDER)`` writes it too, with the history and figures.

path = Path(temporary.name) / "shapes.npz"
model.save(path)
again = nn.Model.load(path)
assert np.array_equal(again.theta, model.theta)
assert np.array_equal(again.predict(data.test.Z), model.predict(data.test.Z))
print(f"saved and read back: {model.theta.size:,} parameters, {path.stat().st_size:,} bytes")

# %%
# Arrays
# ------
# Data that are arrays already need no pictures: ``X`` is (images, height, width, channels), or
# without the last for grey ones, and ``y`` has a label each; ``X_test`` and ``y_test`` if there is
# a test part. Numbers of any real type will do.

file = Path(temporary.name) / "arrays.npz"
np.savez(file, X=images, y=data.train.y)
from_arrays = nn.load_dataset(file)
print("from arrays:", from_arrays.train.Z.shape, "test part:", from_arrays.test)
assert np.array_equal(from_arrays.train.Z, data.train.Z)
assert np.array_equal(from_arrays.train.y, data.train.y)

# %%
# Who lives in scikit-learn finds an estimator with ``fit`` and ``predict`` that goes into pipelines
# and searches: ``nn.CNNClassifier().fit(X, y)`` takes the same arrays, images or a table.
#
# When data are wrong
# -------------------
# Mistakes in data are the rule. Each message names the file, what it holds, what it should hold,
# and what to do. We make some on purpose.


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
attempt("a class without pictures", lambda: nn.load_dataset(bad))

(bad / "star" / "0.png").write_text("not a picture at all")
attempt("a file that is no picture", lambda: nn.load_dataset(bad))

draw("square", size=30).save(bad / "star" / "0.png")
attempt("pictures of different sizes", lambda: nn.load_dataset(bad))
resized = nn.load_dataset(bad, shape=(24, 24, 3))  # the remedy
assert resized.train.Z.shape == (3, 24 * 24 * 4)

np.savez(file, X=images, y=data.train.y[:-1])
attempt("a label missing", lambda: nn.load_dataset(file))

spoilt = images.astype(np.float32)
spoilt[3, 5, 7, 0] = np.nan
np.savez(file, X=spoilt, y=data.train.y)
attempt("a pixel that is no number", lambda: nn.load_dataset(file))

attempt("a name misspelt", lambda: nn.load_dataset("digit"))
attempt("images of another size than the network's", lambda: model.predict(images[:, :20, :20]))
attempt("a network too deep for small images", lambda: nn.NetConfig.preset("vgg11", 24, 24, 3, 3))
attempt("an option out of its range", lambda: nn.TrainOptions(epochs=0, schedule="one-cicle"))
temporary.cleanup()

# %%
# What to take away
# -----------------
# Pictures in folders, or arrays in an ``.npz`` file, and a few lines: that is all a data set of
# your own needs. Look at the images before you train, keep a validation part, and read the
# messages: they are made to be acted on.
#
# Try it yourself
# ---------------
# 1. Add a fourth shape to ``draw`` and train again. Which shapes are confused?
# 2. Make the test shapes smaller than the training shapes. What happens to the accuracy?
# 3. Photograph ten cups and ten spoons with a telephone, and give their folder to
#    ``simplenn train FOLDER --image-shape 32x32x3``.
