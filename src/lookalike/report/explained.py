"""What each figure means, and what it does not: the words that stand beside it on the page."""

from __future__ import annotations

from lookalike.stats import FEW_PEOPLE

EXPLAINED: dict[str, tuple[str, str]] = {
    # the three answers
    "alike": (
        "1 is a perfect match. A fresh real sample does not reach 1 either, as chance alone moves its figures: reaching its "
        "figure is the goal. For trees (AUC), .50 is a toss of a coin and 1 is never wrong.",
        "It does not say that every pattern is kept. Going far above a fresh sample is no merit: it means copying noise.",
    ),
    "safe": (
        "If the table had memorised people, its rows would repeat training rows, lie closer to them than to other real "
        "rows, or help an attacker more against them than against strangers. Each test was also made on strangers.",
        "No alarm is not a proof of anonymity. Tables that pass every distance test can still betray who was in the "
        "training data (arXiv 2505.01524). Treat it as personal data until your own assessment says otherwise.",
    ),
    "useful": (
        "Two models learn to predict the same column, one from real rows, one from synthetic rows; both are tested on real "
        "rows that neither they nor the generator saw.",
        "It speaks for this one target and these learners. Another question to the table may fare better or worse.",
    ),
    # likeness
    "accuracy": (
        "Numbers are cut into ten ranges, labels into the ten commonest. Accuracy is the share of rows that fall into the "
        "same cells in both tables: for single columns, pairs, and triples. “Expected” is what a fresh real sample of "
        "as many rows is expected to get (mostlyai-qa's accuracy and its max).",
        "It does not see what happens inside a range, in rare labels, or in four columns at once. “Expected” is no ceiling: "
        "beyond it lies copying.",
    ),
    "quality": (
        "Shapes: how alike single columns are. Trends: how alike pairs of columns move. Quality: their mean (sdmetrics' "
        "figures). “Valid” cells are within the real range, or labels that occur in the real table.",
        "Only clearly tied pairs count in the trends (the figure over all pairs stands below them). A high quality score "
        "can hide impossible rows; see what trees find.",
    ),
    "dependencies": (
        "In every real row one column settles another, as a city settles its state, or a part of it does, as a date has one "
        "weekday and an income lies in one bracket, or two or three do together, as an article and a size have one price. A key settles what all of its rows share. A synthetic row that says otherwise is "
        "impossible, even if every cell of it is common.",
        "Rules that hold in nearly all rows, or of more columns together, are not looked for. A rule may end where the table "
        "ends: the rows kept back say whether strangers keep it.",
    ),
    "constraints": (
        "Rules that the schema declares, or that were found in every row learned from: columns in order, ranges, combinations, formulas, uniqueness, cells missing together, "
        "conditions. A rule over a missing cell counts as kept.",
        "Only these are looked at. Combinations are those of the real table: a stranger may have a new one, as the "
        "rows kept back show.",
    ),
    "detection": (
        "Boosted trees see synthetic and real rows, then guess which is which among others. AUC is how often they are right "
        "about one row of each. “Fall” is how much of it is lost when one column is shuffled: what gave the table away.",
        "A high AUC does not make a table useless: one rounding or one impossible combination is enough for trees. And .50 "
        "does not make it safe: real rows themselves score .50.",
    ),
    "triples": (
        "The three columns whose combinations differ most from the real table, against what a fresh sample is expected to get.",
        "With thousands of triples some are worst by chance; look for a column that comes up again and again.",
    ),
    "columns": (
        "Shape is 1 minus the largest gap between both curves (numbers, dates: Kolmogorov–Smirnov) or 1 minus half the summed "
        "differences of shares (labels: total variation), missing cells left out. Shortfall is how far that lies below a "
        "fresh real sample of as many rows. The worst column is also judged by itself, its missing cells included.",
        "Shape says nothing about missing cells, so those have columns of their own. Two tables can agree on every column and "
        "still combine them wrongly: see the pairs.",
    ),
    "pairs": (
        "Trend: how alike two columns move together, 1 being the same. Two numbers: their correlations compared; otherwise the "
        "shares of all combinations. Association is how tightly they are tied (correlation from −1 to 1; Cramér's V and "
        "correlation ratio from 0 to 1). ● marks pairs clearly tied in the real table (|ρ| above .5, V above .3). "
        "The tie lost most is also judged by itself: by how many rows common combinations are commoner than chance makes them.",
        "For a trend, numbers are cut into ten ranges of their own table, so a shifted or stretched number may go unnoticed "
        "here; its shape shows it, and so does accuracy.",
    ),
    "associations": (
        "Each square is a pair of columns: the darker, the more tightly tied. The first two pictures should look the same, the "
        "third should be blank: brown-red where the synthetic table ties columns more tightly than the real one, green where "
        "more loosely.",
        "One figure a pair cannot show how columns depend on each other, only how much.",
    ),
    "one column": (
        "How often each value or range occurs, in the real and in the synthetic table. The first and last range also hold what "
        "lies beyond them.",
        f"Labels that fewer than {FEW_PEOPLE} real rows hold are pooled as “other”, and real counts are rounded to multiples of {FEW_PEOPLE}: what is "
        "rare does not show here.",
    ),
    "one pair": (
        "Each square is a combination of values, its figure the share of all rows in per cent. The first two grids should "
        "look alike. In the third, orange is too common in the synthetic table, blue too rare.",
        "Ranges are coarse, and combinations held by very few real rows are rounded away: a blank square is not impossible.",
    ),
    # privacy
    "checks": (
        "Each figure is held to a limit. Most are what goes beyond kept-back real rows: 0 is no more than chance, below 0 is less. “Passes”: it lies "
        "within, though its 95 % interval may reach over. “Fails”: it lies beyond, interval and all. “Undecided”: it lies beyond, but its interval "
        "reaches back, or rows are too few, or the kept-back ones are training rows. “Not measured”: there is nothing to measure it with. The limits "
        "are settings.",
        "Passing is not a certificate. The limits are conventions of the field, not law, and no list of attacks is complete.",
    ),
    "copies": (
        "Synthetic rows equal to a training row in every column, beside how many of the kept-back real rows are, by chance; and "
        "those equal to a kept-back row. What chance repeats is also read off how often the real rows repeat each other.",
        "In a table of few, coarse columns strangers share rows: copies are then no leak. In a wide one, zero copies does "
        "not rule out near copies.",
    ),
    "closeness": (
        "Is a synthetic row's nearest real row a training row or a stranger? 50 % is neither; public contests accept up to "
        "52 % (distance to closest record). A row twice as near to one person as to the next leans on that person (NNDR).",
        "A smoke alarm, not a proof: an average over all rows does not see a few people who were memorised (arXiv 2505.01524).",
    ),
    "protection": (
        "sdmetrics' two scores, for those who know them. Against noise: distance to training rows compared with random rows' "
        "(1 is as far as noise). Against overfitting: 1 where no more rows lie nearer to training than to other real rows.",
        "Real data is far from noise, so a good table scores low on the first: hold it against the kept-back rows'. Ties "
        "count as safe in the second.",
    ),
    "leakage": (
        "What only a few training rows have, and the synthetic table shows again: rare labels, the extremes of a number, people "
        "unlike all others. Excess is how much more often than among as many kept-back real rows.",
        "Shown again is not identified: a rare job may simply exist. And an excess near zero does not protect one given person.",
    ),
    "attacks": (
        "Three attacks that data protection asks about: single a person out, link two halves of a row, infer a secret cell. "
        "Each is made on training rows and, as control, on strangers. Risk is the surplus: 0 % is none, 100 % is everyone. "
        "Guessing blindly is the baseline.",
        "What succeeds on strangers too is knowledge about people in general: that is what a useful table teaches. A low "
        "risk speaks of these attackers only; a cleverer one may exist.",
    ),
    "membership": (
        "Someone holds a person's row and asks whether it was in the training data. By distance: it lies near a synthetic row. "
        "By density: the synthetic table is denser there than other real rows are (DOMIAS). AUC .50 is a toss of a "
        "coin; “found” is the share of members caught when 1 % or 10 % of strangers are accused.",
        "An AUC near .50 is an average: a few people may still be found for sure, which is why the share found at 1 % stands "
        "beside it. An attacker who knows the generator can do better.",
    ),
    # utility
    "learners": (
        "Trained on real, on synthetic, and on both; tested on the same real rows. AUC: 1 is never wrong, .5 is guessing. R²: "
        "1 explains everything, 0 nothing. The headline is the mean of both learners' predictions (stack).",
        "Absolute heights depend on how predictable the target is; what counts is the difference between real and synthetic. "
        "“Both” better than real is no proof of new knowledge: where the generator saw more real rows than the learners, "
        "it may be theirs.",
    ),
    "minority": (
        "F1 of the rarest class: it is high only if its rows are both found and not confused with others.",
        "It depends on where the line is drawn: a model can rank cases well (AUC) and still score a low F1.",
    ),
    "importance": (
        "Which columns a model leans on. The same order from real and from synthetic rows says that conclusions drawn from "
        "either agree; 1 is the same order.",
        "Columns that say the same may stand in for each other, so even two real samples do not agree fully.",
    ),
    # the run
    "training": (
        "The loss is what the engine makes smaller while it learns. If a held-out curve rises while the other keeps falling, it "
        "is learning rows by heart. A curve that begins again: once rows held out have shown how long to learn, all rows are learned anew.",
        "Losses of different engines, or of different tables, cannot be compared.",
    ),
    "page": (
        f"No real row. Labels that fewer than {FEW_PEOPLE} real rows hold are pooled, axes show rounded marks within the middle 98 %, and "
        f"real counts are rounded to multiples of {FEW_PEOPLE}.",
        "The shares it draws were still counted on real rows: it is an aggregate, not covered by a differential-privacy "
        "guarantee.",
    ),
}
"""What it means, what it does not."""
