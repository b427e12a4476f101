"""An inbox's folders: finding inputs, holding them, and moving them on without losing or overwriting anything."""
