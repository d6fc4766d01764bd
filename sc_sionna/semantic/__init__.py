"""WHAT to send: the semantic codec of Sec. III in ``keras.ops`` only, without TensorFlow and without Sionna."""
