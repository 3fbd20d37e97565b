"""Files that are rotated while nothing of them was read yet: the reader stood still."""

from support.site import LOG, Site


def test_cut_and_grown_past_its_size_before_anything_was_read(site: Site) -> None:
    """F07, F09: the larger size is none of the old content, whose copy is whole: no gap."""
    site.write(1)
    site.settle()
    site.running.pipeline.reading = False  # as a full window does
    site.rename(LOG, f"{LOG}.2")
    site.write(2)
    site.look()
    site.copy(LOG, f"{LOG}.1")
    site.cut()
    site.write(5)
    site.look()
    site.running.pipeline.reading = True
    site.check_everything()

    assert len(site.events()) == 8
    assert not site.gaps()
