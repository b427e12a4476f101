from classifyd.reports import PartReport
from classifyd.service.places import done_folder, encoded


def test_labels_stand_in_the_path_and_a_missing_one_says_so():
    total = PartReport("c", 0, records=1, labels={"spam": "ham"})

    assert "/done/ham/unlabelled" == str(done_folder("/done/{spam}/{topic}", total))


def test_no_label_leads_out_of_the_folder():
    for label in ("../../etc", "..", ".hidden", "a/b", "\0", "x" * 400, "\udcff"):
        name = encoded(label)
        assert "/" not in name
        assert "\0" not in name
        assert not name.startswith(".")
        assert len(name.encode()) <= 255


def test_a_usual_label_stays_readable():
    assert "Sci%2FTech" == encoded("Sci/Tech")
    assert "World news" == encoded("World news")
