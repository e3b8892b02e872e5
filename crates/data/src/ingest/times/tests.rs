use super::*;

fn calendar(text: &str) -> Result<i64, &'static str> {
    Times::new(TimeFormat::Calendar, None, None).read(text.as_bytes(), 1).map_err(|fault| fault.code)
}

fn at(text: &str) -> Result<i64, &'static str> {
    Ok(text.parse::<Timestamp>().unwrap().as_microsecond())
}

#[test]
fn the_usual_forms_are_read() {
    for (text, same) in [
        ("2001-01-31", "2001-01-31T00:00:00Z"),
        ("2001/01/31", "2001-01-31T00:00:00Z"),
        ("2001-1-5", "2001-01-05T00:00:00Z"),
        ("2001-07", "2001-07-01T00:00:00Z"),
        ("2001-01-31 10:20", "2001-01-31T10:20:00Z"),
        ("2001-01-31 9:20", "2001-01-31T09:20:00Z"),
        ("2001-01-31T10:20:30.5", "2001-01-31T10:20:30.5Z"),
        ("2001-01-31T10:20:30.123456789Z", "2001-01-31T10:20:30.123456Z"),
        ("2001-01-31T10:20:30+05:30", "2001-01-31T04:50:30Z"),
        ("2001-01-31 10:20:30-0800", "2001-01-31T18:20:30Z"),
        ("2001-01-31 10:20:30 UTC", "2001-01-31T10:20:30Z"),
        ("1/31/2001 3:04 PM", "2001-01-31T15:04:00Z"),
        ("31.12.2001", "2001-12-31T00:00:00Z"),
        ("2000-02-29", "2000-02-29T00:00:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
    ] {
        assert_eq!(calendar(text), at(same), "{text}");
    }
}

#[test]
fn what_is_no_time_says_why() {
    for (text, code) in [
        ("2001-02-29", "no_such_date"),
        ("1900-02-29", "no_such_date"),
        ("2001-13-01", "no_such_date"),
        ("0000-01-01", "no_such_date"),
        ("9999-12-31", "time_out_of_range"),
        ("01/02/03", "two_digit_year"),
        ("2001-01-31T24:00", "not_a_time"),
        ("2001-01-31T10:61", "not_a_time"),
        ("2001-01-31T10:20:61", "not_a_time"),
        ("Jan 5, 2001", "not_a_time"),
        ("", "not_a_time"),
        ("2001-01-31X", "not_a_time"),
        ("10:20", "not_a_time"),
    ] {
        assert_eq!(calendar(text), Err(code), "{text}");
    }
}

#[test]
fn days_agree_with_the_calendar_of_jiff() {
    let epoch = jiff::civil::date(1970, 1, 1);
    let mut date = jiff::civil::date(1, 1, 1);
    let mut number = i64::from(epoch.until(date).unwrap().get_days());
    while date < jiff::civil::date(2500, 1, 1) {
        let (year, month, day) = (date.year() as u32, date.month() as u32, date.day() as u32);
        assert_eq!(days(year, month, day), Some(number));
        assert_eq!(civil(number), (i64::from(year), month, day));
        date = date.tomorrow().unwrap();
        number += 1;
    }
}

#[test]
fn the_order_of_day_and_month_is_told_by_the_data() {
    let mut times = Times::new(TimeFormat::Calendar, None, None);
    let early = times.read(b"01/02/2001", 2).unwrap();
    assert!(times.undecided());
    assert_eq!(times.ambiguous(), Some(&(2, "01/02/2001".to_owned())));
    times.read(b"13/02/2001", 3).unwrap();
    assert_eq!(times.order(), Some(DateOrder::Dmy));
    assert_eq!(Ok(swap_day_and_month(early)), at("2001-02-01T00:00:00Z"));
    assert_eq!(times.read(b"02/13/2001", 4).unwrap_err().code, "mixed_date_order");
    let question = order_question(2, "01/02/2001");
    assert!(question.contains("the 2nd of January or the 1st of February"), "{question}");
}

#[test]
fn zones_and_forms_are_not_mixed() {
    let mut times = Times::new(TimeFormat::Calendar, None, None);
    times.read(b"2001-01-31T10:20:30Z", 2).unwrap();
    times.read(b"2001-02-01", 3).unwrap();
    assert_eq!(times.read(b"2001-01-31T10:20:30", 4).unwrap_err().code, "mixed_zones");
    let mut times = Times::new(TimeFormat::Calendar, None, None);
    times.read(b"2001-01-31", 2).unwrap();
    assert_eq!(times.read(b"01/31/2001", 3).unwrap_err().code, "mixed_date_forms");
}

#[test]
fn whole_numbers_are_read_as_the_format_says() {
    let read = |format, text: &str| Times::new(format, None, None).read(text.as_bytes(), 1).map_err(|fault| fault.code);
    assert_eq!(read(TimeFormat::Compact, "2001"), at("2001-01-01T00:00:00Z"));
    assert_eq!(read(TimeFormat::Compact, "200107"), at("2001-07-01T00:00:00Z"));
    assert_eq!(read(TimeFormat::Compact, "20010731"), at("2001-07-31T00:00:00Z"));
    assert_eq!(read(TimeFormat::Compact, "200113"), Err("not_a_time"));
    assert_eq!(read(TimeFormat::EpochSeconds, "1000000000"), at("2001-09-09T01:46:40Z"));
    assert_eq!(read(TimeFormat::EpochMillis, "1000000000000"), at("2001-09-09T01:46:40Z"));
    assert_eq!(read(TimeFormat::EpochSeconds, "99999999999999"), Err("time_out_of_range"));
}
