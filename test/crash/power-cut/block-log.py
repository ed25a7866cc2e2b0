# A disk that remembers: an nbdkit plugin over an image file which logs every write and every flush, in the order in
# which it has done them. Entries of 24 bytes go to INDEX (offset in the image, offset in DATA, length, 1 for a flush
# instead of a write), what was written to DATA. The length of INDEX is what others know the time by.
import os
import struct

import nbdkit

API_VERSION = 2
files = {}


def config(key, path):
    flags = os.O_RDWR if key == "image" else os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files[key] = os.open(path, flags, 0o644)


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def open(readonly):
    return 1


def get_size(handle):
    return os.fstat(files["image"]).st_size


def can_flush(handle):
    return True


def pread(handle, buffer, offset, flags):
    os.preadv(files["image"], [buffer], offset)


def pwrite(handle, buffer, offset, flags):
    os.pwrite(files["image"], buffer, offset)
    start = os.fstat(files["data"]).st_size
    os.write(files["data"], buffer)
    os.write(files["index"], struct.pack("<QQII", offset, start, len(buffer), 0))


def flush(handle, flags):
    os.write(files["index"], struct.pack("<QQII", 0, 0, 0, 1))
