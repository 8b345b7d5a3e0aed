"""The world of block stacking: physics, towers and pictures. Nothing here knows of Gymnasium."""
