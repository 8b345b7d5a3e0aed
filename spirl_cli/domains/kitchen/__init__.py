"""The kitchen: settings, FrankaKitchen's simulator, rewards and the scripted expert."""
