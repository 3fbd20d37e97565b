"""The pipeline: where the stages meet, from bytes of a file to acknowledged offsets."""
