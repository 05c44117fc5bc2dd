use http_body_util::Full;

use super::*;

#[tokio::test]
async fn orders_take_no_more_memory_together_than_there_is_room() {
    let room = Semaphore::new(8);
    let order = || Full::new(Bytes::from_static(b"12345"));
    let (whole, place) = collect(order(), &room).await.unwrap();
    assert_eq!(whole.as_slice(), b"12345");
    assert!(matches!(collect(order(), &room).await, Err(Rejection::Busy)));
    drop(place);
    assert!(collect(order(), &room).await.is_ok());
}

#[tokio::test]
async fn an_order_has_a_longest_length() {
    let room = Semaphore::new(MAX_WAITING_BYTES);
    let longest = vec![b' '; MAX_ORDER_BYTES];
    assert!(collect(Full::new(Bytes::from(longest.clone())), &room).await.is_ok());
    let longer = [longest, vec![b' ']].concat();
    assert!(matches!(collect(Full::new(Bytes::from(longer)), &room).await, Err(Rejection::Order(_))));
    assert_eq!(room.available_permits(), MAX_WAITING_BYTES);
}
