"""The embedded platform of a laptop: broker, stores, card simulator, trace store, and their supervisor."""
