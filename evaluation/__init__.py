"""How good the enlarged video is: metrics, baselines, and the settings of the paper's tables."""
