"""The sections of a recipe: one for the environment, one for each stage.

Only plain data lives here, so that importing it is fast; what a value does is explained at the class that uses it.
"""
