"""The maze's world: layouts, physics and pictures. Nothing here knows of Gymnasium."""
