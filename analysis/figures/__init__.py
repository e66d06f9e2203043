"""Figures: recorded arrays and a path in, a picture out.

``style`` holds what all of them share (look, panels, curves with intervals, lines of reference,
writing the file); each other module draws one theme. Members are shown wherever their mean is.
Matplotlib is imported only when a figure is drawn, without a display and without ``pyplot``, and
the caller's Matplotlib settings are left alone.
"""
