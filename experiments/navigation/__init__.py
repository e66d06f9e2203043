"""Findings on moving about.

Steering to a target whose joystick gain changes, and goals in a maze that are found once and
remembered.
"""
