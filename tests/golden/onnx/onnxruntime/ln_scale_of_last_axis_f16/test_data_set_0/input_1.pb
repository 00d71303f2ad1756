	
BScaleJ¿=>·Aë<€=M<ÐAîº