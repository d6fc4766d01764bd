"""The link between the encoder's symbols and the decoder's LLRs as one compiled loop."""
