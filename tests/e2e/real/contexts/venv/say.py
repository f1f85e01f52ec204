import six

print("six", six.__version__, six.ensure_str(b"works"))
