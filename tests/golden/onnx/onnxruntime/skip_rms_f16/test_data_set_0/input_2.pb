!
BgammaJBž´Ä8õ:4Cb-YÀ‰<r@h°MB0¾h<:?(>iÂI<”=LÀk8G;b<$Â2½s»'°-> >/4l5‰>˜²RCã: