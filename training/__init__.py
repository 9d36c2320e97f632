"""The training recipe of FlashVSR: data, the three stages, and the small model made with them."""
